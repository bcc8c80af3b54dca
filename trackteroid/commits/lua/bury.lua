-- id, fence, error, doubt, signature, streak, probe seconds -> 0 if the lease is lost, 1 if it is dead, else it is spared: 2, or 3 if
-- the breaker has opened
also_when_full()
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end
doubted(id, ARGV[5])
local spared, opened = same_error(id, ARGV[6], ARGV[4], ARGV[7], ARGV[8])
if not spared then
  bury(id, ARGV[4])
  return 1
end
redis.call('HSET', row(id), 'error', ARGV[4])
uncount(id)
schedule(look_up(id), 'retrying', now)
return opened and 3 or 2
