-- limit, most claims, most at a time -> {reaped, how many commits could be claimed now}
also_when_full()
local reaped = reap(tonumber(ARGV[2]), tonumber(ARGV[3]))
local free = room(ARGV[4])
return {reaped, math.min(free, redis.call('ZCARD', P .. 'ready') + redis.call('ZCOUNT', P .. 'due', '-inf', stamp(now)))}
