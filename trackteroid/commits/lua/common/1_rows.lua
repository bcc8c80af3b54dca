-- The files of this folder are put in front of every script, in the order of their names. Format version 1 (part of the prefix).
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
