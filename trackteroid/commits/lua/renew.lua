-- id, fence, lease seconds -> 1, or 0 if the lease is lost
also_when_full()
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end
local expires = stamp(now + tonumber(ARGV[4]))
redis.call('HSET', row(id), 'lease_expires_at', expires)
redis.call('ZADD', P .. 'leases', expires, id)
return 1
