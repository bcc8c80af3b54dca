-- id, token, result, retention seconds, tombstone seconds -> 0 if the lease is lost, 1, or 2 if that closes the breaker
also_when_full()
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end
let_go(id)
move(id, 'committed')
redis.call('HSET', row(id), 'result', ARGV[4], 'committed_at', stamp(now), 'undecided_claims', '0')
redis.call('HDEL', row(id), 'missing', 'waiting_since', 'suspected')
redis.call('HDEL', row(id), 'error', 'due_at', 'uncertain_until')
local recorded = redis.call('HMGET', row(id), 'recorded_at', 'created_at')
recorded = recorded[1] or recorded[2]
for _, w in ipairs(keys_of(id).w) do
  if w[3] == 1 then
    local key = P .. 'x:t:' .. w[1] .. ':' .. w[2]
    local last = redis.call('GET', key)
    if not last or tonumber(last) < tonumber(recorded) then
      redis.call('SET', key, recorded, 'EX', math.ceil(tonumber(ARGV[6])))
    end
  end
end
finish(id, 'committed', ARGV[5], ARGV[6])
return close_breaker() and 2 or 1
