-- id, fence, retention seconds, tombstone seconds, result, words, whether these are all ('1' or ''), (id and the same) of each
-- companion... -> 0 if the lease is lost, 1, or 2 if that closes the breaker
also_when_full()
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end
let_go(id)

local function complete(one, result, words, all)
  move(one, 'committed')
  redis.call('HSET', row(one), 'result', result, 'committed_at', stamp(now), 'undecided_claims', '0')
  redis.call('HDEL', row(one), 'missing', 'waiting_since', 'suspected', 'together', 'error', 'due_at', 'uncertain_until')
  -- The version numbers are words too.
  index_more(one, words, all == '1')
  local recorded = redis.call('HMGET', row(one), 'recorded_at', 'created_at')
  recorded = recorded[1] or recorded[2]
  for _, w in ipairs(keys_of(one).w) do
    if w[3] == 1 then
      local key = P .. 'x:t:' .. w[1] .. ':' .. w[2]
      local last = redis.call('GET', key)
      if not last or tonumber(last) < tonumber(recorded) then
        redis.call('SET', key, recorded, 'EX', math.ceil(tonumber(ARGV[5])))
      end
    end
  end
end

-- All of them before anybody is woken.
for i = 9, #ARGV, 4 do no_longer_waiting(ARGV[i]) end
complete(id, ARGV[6], ARGV[7], ARGV[8])
for i = 9, #ARGV, 4 do complete(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
finish(id, 'committed', ARGV[4], ARGV[5])
for i = 9, #ARGV, 4 do finish(ARGV[i], 'committed', ARGV[4], ARGV[5]) end
return close_breaker() and 2 or 1
