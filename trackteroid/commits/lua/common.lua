-- Put in front of every script of this folder. Format version 1 (it is part of the prefix).
--
-- KEYS[1] is the prefix of one server's ledger; all other keys are derived from it, so the ledger needs a single Redis instance (or
-- Sentinel), not a cluster. ARGV[1] is the time in tests and empty otherwise: the server's clock decides.
--
--   c:<id>        hash, the row            p:<id>       string, the compressed recording
--   due           zset, id by due time     leases       zset, id by lease expiry
--   state:<name>  zset, id by creation     expiry       zset, id by the end of its retention
--   t:<id>        hash, tombstone
local P = KEYS[1]

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1000000
end

-- Lua's own tostring() keeps 14 digits, which is a tenth of a millisecond today.
local function stamp(moment) return string.format('%.6f', moment) end
local function row(id) return P .. 'c:' .. id end

local now = clock()

-- When memory is full Redis refuses the first write of a script if it could take more, and no write after that. Workers must be able
-- to go on then (they make room); so their scripts begin with a write that takes nothing. Enqueueing doesn't: it is refused whole.
local function also_when_full() redis.call('ZREM', P .. 'leases', '') end

local function move(id, state)
  local old = redis.call('HMGET', row(id), 'state', 'created_at')
  if old[1] ~= state then
    redis.call('ZREM', P .. 'state:' .. old[1], id)
    redis.call('ZADD', P .. 'state:' .. state, old[2], id)
  end
  redis.call('HSET', row(id), 'state', state, 'updated_at', stamp(now))
end

-- An attempt that ends without a verdict leaves its request's deadline behind.
local function let_go(id)
  local marks = redis.call('HMGET', row(id), 'sent_until', 'uncertain_until')
  if marks[1] and (not marks[2] or tonumber(marks[1]) > tonumber(marks[2])) then
    redis.call('HSET', row(id), 'uncertain_until', marks[1])
  end
  redis.call('HDEL', row(id), 'sent_until', 'owner', 'lease_expires_at')
  redis.call('ZREM', P .. 'leases', id)
end

-- Never due before the deadline of a request that may still be running.
local function schedule(id, state, at)
  let_go(id)
  local uncertain = tonumber(redis.call('HGET', row(id), 'uncertain_until') or '')
  if uncertain and uncertain > at then at = uncertain end
  move(id, state)
  redis.call('HSET', row(id), 'due_at', stamp(at))
  redis.call('ZADD', P .. 'due', stamp(at), id)
end

local function bury(id, failure)
  let_go(id)
  move(id, 'dead')
  redis.call('HSET', row(id), 'error', failure, 'undecided_claims', '0')
  redis.call('HDEL', row(id), 'due_at')
  redis.call('ZREM', P .. 'due', id)
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
local function finish(id, verdict, retention, tombstone_seconds)
  redis.call('DEL', P .. 'p:' .. id)
  redis.call('ZADD', P .. 'expiry', stamp(now + tonumber(retention)), id)
  local tombstone = P .. 't:' .. id
  redis.call('HSET', tombstone, 'digest', redis.call('HGET', row(id), 'digest'), 'verdict', verdict,
    'ended_at', stamp(now), 'expires_at', stamp(now + tonumber(tombstone_seconds)))
  redis.call('EXPIRE', tombstone, math.ceil(tonumber(tombstone_seconds)))
end

local function held(id, token)
  local holder = redis.call('HMGET', row(id), 'state', 'token')
  return holder[1] == 'committing' and holder[2] == token
end

-- A request without an answer may still be running; one with an answer is over; one that changed nothing leaves no trace.
local function doubted(id, doubt)
  if doubt == 'none' then
    redis.call('HDEL', row(id), 'sent_until')
  elseif doubt == 'settled' and redis.call('HEXISTS', row(id), 'sent_until') == 1 then
    redis.call('HSET', row(id), 'sent_until', stamp(now))
  end
end

local function reap(limit, max_claims)
  local expired = redis.call('ZRANGEBYSCORE', P .. 'leases', '-inf', stamp(now), 'LIMIT', 0, limit)
  for _, id in ipairs(expired) do
    local facts = redis.call('HMGET', row(id), 'state', 'undecided_claims', 'owner')
    if facts[1] ~= 'committing' then
      redis.call('ZREM', P .. 'leases', id)
    elseif tonumber(facts[2]) >= max_claims then
      bury(id, cjson.encode({
        kind = 'poison',
        class = 'Poison',
        message = facts[2] .. ' workers took this commit and none came to a verdict: each was killed or lost its connection. ' ..
          'Look for workers killed for their memory or time, then retry it.',
      }))
    else
      redis.call('HSET', row(id), 'error', cjson.encode({
        kind = 'worker_lost',
        class = 'WorkerLost',
        message = 'The worker ' .. (facts[3] or '(unknown)') ..
          ' gave no sign of life while it held this commit; another one takes over.',
      }))
      schedule(id, 'retrying', now)
    end
  end
  return #expired
end
