-- The end of a commit.

local function bury(id, failure)
  local commit = look_up(id)
  let_go(commit)
  move(commit, 'dead', 'error', failure, 'undecided_claims', '0')
  not_due(commit)
  step_out(id, keys_of(id))
  tell('dead', id, failure)
  wake(id)
end

-- What a person did, one JSON object a line. The oldest lines go when there are very many.
local function acted(id, name, actor)
  local line = '{"name":' .. cjson.encode(name) .. ',"actor":' .. cjson.encode(actor) .. ',"at":' .. stamp(now) .. '}'
  local lines = redis.call('HGET', row(id), 'actions')
  lines = lines and (lines .. '\n' .. line) or line
  while #lines > 20000 do lines = string.sub(lines, string.find(lines, '\n', 1, true) + 1) end
  redis.call('HSET', row(id), 'actions', lines)
end

-- The end of a commit: no payload, a row for a while, a tombstone for long.
local function finish(id, digest, keys, verdict, retention, tombstone_seconds)
  redis.call('DEL', P .. 'p:' .. id, P .. 'o:' .. id)
  redis.call('ZADD', P .. 'expiry', stamp(now + tonumber(retention)), id)
  local tombstone = P .. 't:' .. id
  redis.call('HSET', tombstone, 'digest', digest, 'verdict', verdict, 'ended_at', NOW,
    'expires_at', stamp(now + tonumber(tombstone_seconds)))
  redis.call('EXPIRE', tombstone, math.ceil(tonumber(tombstone_seconds)))
  step_out(id, keys)
  forget_order(id, keys)
  wake(id)
end
