-- limit, most claims -> {reaped, due}
also_when_full()
local reaped = reap(tonumber(ARGV[2]), tonumber(ARGV[3]))
return {reaped, redis.call('ZCOUNT', P .. 'due', '-inf', stamp(now))}
