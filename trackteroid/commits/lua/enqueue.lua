-- id, digest, facts, payload, hold ('1' or ''), actor, keys, recorded at, priority, flow, words, whether these are all ('1' or '')
-- -> {'new'|'known'|'changed', state or digest}
local id, digest, facts, payload = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local known = redis.call('HMGET', row(id), 'digest', 'state')
-- A row of a new commit that stands among no others was left by a script that failed half-way (Redis takes nothing back). Nobody would
-- ever commit it.
local ghost = (known[2] == 'queued' or known[2] == 'held') and not redis.call('ZSCORE', P .. 'state:' .. known[2], id)
if ghost then known = {} end
if not known[1] then
  local buried = redis.call('HMGET', P .. 't:' .. id, 'digest', 'expires_at', 'verdict')
  if buried[1] and tonumber(buried[2]) > now then known = {buried[1], buried[3]} end
end
if known[1] then
  if known[1] ~= digest then return {'changed', known[1]} end
  return {'known', known[2]}
end
local state = ARGV[6] == '1' and 'held' or 'queued'
-- What may be no JSON is read before anything is written.
local keys, words = ARGV[8] ~= '' and cjson.decode(ARGV[8]) or NO_KEYS, cjson.decode(ARGV[12])
if ghost then redis.call('DEL', row(id), P .. 'o:' .. id) end
redis.call('HSET', row(id), 'state', state, 'digest', digest, 'facts', facts, 'payload_size', #payload,
  'created_at', NOW, 'updated_at', NOW, 'priority', ARGV[10], 'flow', ARGV[11], 'words', ARGV[12])
redis.call('SET', P .. 'p:' .. id, payload)
-- Nothing was recorded after it was accepted: by a clock that is fast its values would outlast all that come later.
if ARGV[9] ~= '' and tonumber(ARGV[9]) <= now then redis.call('HSET', row(id), 'recorded_at', ARGV[9]) end
if ARGV[8] ~= '' then
  redis.call('SET', P .. 'o:' .. id, ARGV[8])
  announce(id, keys)
end
redis.call('ZADD', P .. 'state:' .. state, NOW, id)
index(id, NOW, words, ARGV[13] == '1')
if state == 'held' then
  acted(id, 'hold', ARGV[7])
else
  line_up(id, keys)
  settle(look_up(id), now)
  if keys.c[1] then find_circle(id, keys) end
end
wake(id)
wake_those_who_miss(keys.c)
return {'new', redis.call('HGET', row(id), 'state')}
