-- id, token, delay seconds, error, doubt -> 1, or 0 if the lease is lost. The server says that something is missing.
also_when_full()
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end
doubted(id, ARGV[6])
redis.call('HSET', row(id), 'error', ARGV[5], 'undecided_claims', '0', 'missing', '1')
-- An answer about this commit: whatever was wrong around us is over.
close_breaker()
local keys = keys_of(id)
local found = blocker(id, keys)
if found then
  park(id, found)
  return 1
end
redis.call('HSETNX', row(id), 'waiting_since', stamp(now))
for _, e in ipairs(keys.n) do redis.call('SADD', P .. 'x:n:' .. e, id) end
schedule(id, 'waiting', now + tonumber(ARGV[4]))
waits(id, nil, 'missing', '', '')
return 1
