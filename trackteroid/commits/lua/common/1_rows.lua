-- The files of this folder are put in front of every script, in the order of their names; some need only this one (scripts.py).
-- Format version 1 (part of the prefix).
--
-- KEYS[1] is the prefix of one server's ledger; all other keys are derived from it, so the ledger needs a single Redis instance (or
-- Sentinel), not a cluster. ARGV[1] is the time in tests and empty otherwise: the server's clock decides.
--
--   c:<id>        hash, the row            p:<id>       string, the compressed recording
--   due           zset, id by due time, of those due later
--   ready         zset, the same of those due now. They also stand in q:<priority>:<flow>, a zset by due time; flows:<priority> is
--                 a zset of its flows by whose turn it is, priorities a zset of the priorities; turn is a counter.
--                 A flow is what one user does on one show: flows take turns, so that a flood starves nobody.
--   leases        zset, id by lease expiry
--   state:<name>  zset, id by creation     expiry       zset, id by the end of its retention
--   t:<id>        hash, tombstone
--   e:<entity>    string, the entity that was there instead of the one that a recording ensures
--   o:<id>        string, its keys (order.py)
--   w:<id>        set, who waits for it
--   wake:<id>     set, those of very many that still have to look again, as something has changed about it; to_wake: set, of such ids
--   x:c:<entity>  zset, who creates it, by acceptance
--   x:n:<entity>  set, who misses it
--   x:w:<entity>:<attribute>, x:a:<entity>, x:d:<entity>, x:v:<asset>  zsets, who is in line to write the attribute, to write any
--                 attribute, to delete the entity, to make a version; by place
--   x:t:<entity>:<attribute>  string, when the last committed write was recorded
--   accepted, place  counters
--   breaker       hash: open (since when), kind (environment or streak), reason, probe_at, total (seconds it was open before), and of
--                 the same error in a row: signature, ids
--   away, outage  who failed while the server was away (5_outage.lua)
--   pause         string, until when the server asked everybody to wait
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
local NOW = stamp(now)

-- When memory is full Redis refuses the first write of a script if it could take more, and no write after that. Workers must be able
-- to go on then (they make room); so their scripts begin with a write that takes nothing. Enqueueing doesn't: it is refused whole.
local function also_when_full() redis.call('ZREM', P .. 'leases', '') end

-- Fields of a row by name, those that are not there as false, and the commit's `id`.
local function read(id, names)
  local values, fields = redis.call('HMGET', row(id), unpack(names)), {id = id}
  for i = 1, #names do fields[names[i]] = values[i] end
  return fields
end

-- What transitions have to know about a commit. It is read once, where the first of them begins, and handed on as `commit`; each keeps
-- it in step with the row. A transition of one commit may bring about some of others: what was read of those before is out of date.
local FACTS = {'state', 'created_at', 'priority', 'flow', 'accepted', 'place', 'missing', 'waiting_for', 'waiting_kind', 'together',
  'due_at', 'sent_until', 'uncertain_until'}
local function look_up(id) return read(id, FACTS) end

-- `...`: other fields that change with the state, and their values.
local function move(commit, state, ...)
  if commit.state ~= state then
    redis.call('ZREM', P .. 'state:' .. commit.state, commit.id)
    redis.call('ZADD', P .. 'state:' .. state, commit.created_at, commit.id)
    commit.state = state
  end
  redis.call('HSET', row(commit.id), 'state', state, 'updated_at', NOW, ...)
end

-- `fence`: token and owner. After a failover to a replica that lacks the last moment two holders may have one token.
local function held(id, fence)
  local holder = redis.call('HMGET', row(id), 'state', 'token', 'owner')
  return holder[1] == 'committing' and holder[2] .. ' ' .. (holder[3] or '') == fence
end

-- An attempt that ends without a verdict leaves its request's deadline behind. Only who is committing is held.
local function let_go(commit)
  if commit.state ~= 'committing' then return end
  local sent, uncertain = commit.sent_until, commit.uncertain_until
  if sent and (not uncertain or tonumber(sent) > tonumber(uncertain)) then
    redis.call('HSET', row(commit.id), 'uncertain_until', sent)
    commit.uncertain_until = sent
  end
  redis.call('HDEL', row(commit.id), 'sent_until', 'owner', 'lease_expires_at')
  redis.call('ZREM', P .. 'leases', commit.id)
  commit.sent_until = false
end

-- Lua passes on some thousands of arguments at most.
local PORTION = 1000
local function portion(list, from) return unpack(list, from, math.min(from + PORTION - 1, #list)) end

-- The strings under keys, false where there is none.
local function strings(keys)
  local found = {}
  for from = 1, #keys, PORTION do
    for _, text in ipairs(redis.call('MGET', portion(keys, from))) do found[#found + 1] = text end
  end
  return found
end

-- Whether one of the keys of these names is there at all: where mostly none is, that saves a question for each.
local function any(prefix, names)
  local keys = {}
  for i, name in ipairs(names) do keys[i] = P .. prefix .. name end
  for from = 1, #keys, PORTION do
    if redis.call('EXISTS', portion(keys, from)) > 0 then return true end
  end
  return false
end
