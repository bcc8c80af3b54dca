-- id, fence -> 1, or 0 if the lease is lost. The claim does not count.
also_when_full()
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end
local attempts = redis.call('HINCRBY', row(id), 'attempts', -1)
if redis.call('HINCRBY', row(id), 'undecided_claims', -1) < 0 then
  redis.call('HSET', row(id), 'undecided_claims', '0')
end
schedule(look_up(id), attempts > 0 and 'retrying' or 'queued', now)
return 1
