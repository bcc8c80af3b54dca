-- id, token, delay seconds, error, error kind, doubt -> 1, or 0 if the lease is lost
also_when_full()
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end
doubted(id, ARGV[7])
redis.call('HSET', row(id), 'error', ARGV[5], 'undecided_claims', '0')
if ARGV[6] == 'unknown' then redis.call('HINCRBY', row(id), 'unknown_failures', 1) end
if ARGV[6] == 'environment' then redis.call('HDEL', row(id), 'trying_since') end
schedule(id, 'retrying', now + tonumber(ARGV[4]))
return 1
