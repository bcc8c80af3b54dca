-- Put in front of every script of this folder. Format version 1 (it is part of the prefix).
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
--   o:<id>        string, its keys (order.py)
--   w:<id>        set, who waits for it
--   x:c:<entity>  zset, who creates it, by acceptance
--   x:n:<entity>  set, who misses it
--   x:w:<entity>:<attribute>, x:a:<entity>, x:d:<entity>, x:v:<asset>  zsets, who is in line to write the attribute, to write any
--                 attribute, to delete the entity, to make a version; by place
--   x:t:<entity>:<attribute>  string, when the last committed write was recorded
--   accepted, place  counters
--   breaker       hash: open (since when), kind (environment or streak), reason, probe_at, total (seconds it was open before), and of
--                 the same error in a row: signature, ids
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

-- The queue
local function make_ready(id, at)
  local place = redis.call('HMGET', row(id), 'priority', 'flow')
  local priority, flow = place[1] or '0', place[2] or ''
  local queue = P .. 'q:' .. priority .. ':' .. flow
  if redis.call('EXISTS', queue) == 0 then
    redis.call('ZADD', P .. 'flows:' .. priority, redis.call('INCR', P .. 'turn'), flow)
    redis.call('ZADD', P .. 'priorities', priority, priority)
  end
  redis.call('ZADD', queue, at, id)
  redis.call('ZADD', P .. 'ready', at, id)
end

-- Out of the line in which it stands; whether others of its flow are left there.
local function out_of_queue(id, priority, flow)
  redis.call('ZREM', P .. 'ready', id)
  local queue = P .. 'q:' .. priority .. ':' .. flow
  redis.call('ZREM', queue, id)
  if redis.call('EXISTS', queue) == 1 then return true end
  redis.call('ZREM', P .. 'flows:' .. priority, flow)
  if redis.call('EXISTS', P .. 'flows:' .. priority) == 0 then redis.call('ZREM', P .. 'priorities', priority) end
  return false
end

local function unqueue(id)
  redis.call('ZREM', P .. 'due', id)
  if not redis.call('ZSCORE', P .. 'ready', id) then return end
  local place = redis.call('HMGET', row(id), 'priority', 'flow')
  out_of_queue(id, place[1] or '0', place[2] or '')
end

-- The next commit, or nil. At most 100 of those that have become due are put in line at a time.
local function take()
  local due = redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', stamp(now), 'WITHSCORES', 'LIMIT', 0, 100)
  for i = 1, #due, 2 do
    redis.call('ZREM', P .. 'due', due[i])
    make_ready(due[i], due[i + 1])
  end
  while true do
    local priority = redis.call('ZREVRANGE', P .. 'priorities', 0, 0)[1]
    if not priority then return nil end
    local flow = redis.call('ZRANGE', P .. 'flows:' .. priority, 0, 0)[1]
    if not flow then
      redis.call('ZREM', P .. 'priorities', priority)
    else
      local id = redis.call('ZRANGE', P .. 'q:' .. priority .. ':' .. flow, 0, 0)[1]
      if out_of_queue(id or '', priority, flow) then
        redis.call('ZADD', P .. 'flows:' .. priority, redis.call('INCR', P .. 'turn'), flow)
      end
      if id then return id end
    end
  end
end

-- Never due before the deadline of a request that may still be running.
local function schedule(id, state, at)
  let_go(id)
  local uncertain = tonumber(redis.call('HGET', row(id), 'uncertain_until') or '')
  if uncertain and uncertain > at then at = uncertain end
  move(id, state)
  redis.call('HSET', row(id), 'due_at', stamp(at))
  unqueue(id)
  if at <= now then make_ready(id, stamp(at)) else redis.call('ZADD', P .. 'due', stamp(at), id) end
end

local function not_due(id)
  redis.call('HDEL', row(id), 'due_at')
  unqueue(id)
end

-- Order. A recording's keys are kept as JSON (see order.py): c creates, n needs, w writes {entity, attribute, whether the last one
-- recorded wins}, d deletes, v assets whose versions it makes, o commits it depends on.
local ACTIVE = {queued = true, committing = true, retrying = true, waiting = true}
local NO_KEYS = {c = {}, n = {}, w = {}, d = {}, v = {}, o = {}}
local function keys_of(id)
  local text = redis.call('GET', P .. 'o:' .. id)
  return text and cjson.decode(text) or NO_KEYS
end

-- The indices in which a commit stands while others may have to wait for it: per written attribute, per entity whose attributes are
-- written, per deleted entity, per asset whose versions are made.
local function each_place(keys, act)
  for _, w in ipairs(keys.w) do
    act(P .. 'x:w:' .. w[1] .. ':' .. w[2])
    act(P .. 'x:a:' .. w[1])
  end
  for _, e in ipairs(keys.d) do act(P .. 'x:d:' .. e) end
  for _, a in ipairs(keys.v) do act(P .. 'x:v:' .. a) end
end

-- Takes the place at the end of every line it has to stand in.
local function line_up(id, keys)
  local place = redis.call('INCR', P .. 'place')
  redis.call('HSET', row(id), 'place', place)
  each_place(keys, function(key) redis.call('ZADD', key, place, id) end)
end

local function step_out(id, keys)
  each_place(keys, function(key) redis.call('ZREM', key, id) end)
end

-- What others may need is remembered from acceptance until the commit is done or cancelled, dead and held ones included.
local function announce(id, keys)
  local accepted = redis.call('INCR', P .. 'accepted')
  redis.call('HSET', row(id), 'accepted', accepted)
  for _, e in ipairs(keys.c) do redis.call('ZADD', P .. 'x:c:' .. e, accepted, id) end
end

local function forget_order(id, keys)
  for _, e in ipairs(keys.c) do redis.call('ZREM', P .. 'x:c:' .. e, id) end
  for _, e in ipairs(keys.n) do redis.call('SREM', P .. 'x:n:' .. e, id) end
  redis.call('DEL', P .. 'o:' .. id)
end

-- Whether `other` waits, over any number of others, for `id`.
local function waits_for(other, id)
  for _ = 1, 1000 do
    local wait = redis.call('HMGET', row(other), 'state', 'waiting_for')
    if wait[1] ~= 'waiting' or not wait[2] then return false end
    if wait[2] == id then return true end
    other = wait[2]
  end
  return false
end

-- The first thing in the way: {id, kind, subject, state}, or nil.
local function blocker(id, keys)
  local facts = redis.call('HMGET', row(id), 'accepted', 'place', 'missing')
  for _, other in ipairs(keys.o) do
    local state = redis.call('HGET', row(other), 'state') or redis.call('HGET', P .. 't:' .. other, 'verdict') or 'unknown'
    if state ~= 'committed' then
      return {other, 'depends', other, (not ACTIVE[state]) and state or ''}
    end
  end
  -- Of creators only earlier ones count, until the server has said that something is missing.
  local until_when = facts[3] and '+inf' or ('(' .. (facts[1] or '0'))
  for _, e in ipairs(keys.n) do
    local dead
    for _, other in ipairs(redis.call('ZRANGEBYSCORE', P .. 'x:c:' .. e, '-inf', until_when)) do
      local state = redis.call('HGET', row(other), 'state')
      if other ~= id and state ~= 'dead' then return {other, 'needs', e, state == 'held' and state or ''} end
      if other ~= id and not dead then dead = other end
    end
    if dead then return {dead, 'needs', e, 'dead'} end
  end
  -- Nobody waits for a commit that waits for it: what it needs goes before what it merely writes too.
  local awaited = redis.call('EXISTS', P .. 'w:' .. id) == 1
  local function last_before(key)
    local offset = 0
    while true do
      local found = redis.call('ZREVRANGEBYSCORE', key, '(' .. (facts[2] or '0'), '-inf', 'WITHSCORES', 'LIMIT', offset, 1)
      if not found[1] then return nil, 0 end
      if not (awaited and waits_for(found[1], id)) then return found[1], tonumber(found[2]) end
      offset = offset + 1
    end
  end
  local function later(one, two)
    local a, at = last_before(one)
    local b, bt = last_before(two)
    if bt > at then return b end
    return a
  end
  for _, w in ipairs(keys.w) do
    local other = later(P .. 'x:w:' .. w[1] .. ':' .. w[2], P .. 'x:d:' .. w[1])
    if other then return {other, 'order', w[1] .. '.' .. w[2], ''} end
  end
  for _, e in ipairs(keys.d) do
    local other = later(P .. 'x:a:' .. e, P .. 'x:d:' .. e)
    if other then return {other, 'order', e, ''} end
  end
  for _, a in ipairs(keys.v) do
    local other = last_before(P .. 'x:v:' .. a)
    if other then return {other, 'version', a, ''} end
  end
  return nil
end

local function no_longer_waiting(id)
  local other = redis.call('HGET', row(id), 'waiting_for')
  if other then redis.call('SREM', P .. 'w:' .. other, id) end
  redis.call('HDEL', row(id), 'waiting_for', 'waiting_kind', 'waiting_subject', 'waiting_state')
end

local function waits(id, other, kind, subject, state)
  move(id, 'waiting')
  redis.call('HSET', row(id), 'waiting_kind', kind, 'waiting_subject', subject, 'waiting_state', state)
  if other then
    redis.call('HSET', row(id), 'waiting_for', other)
    redis.call('SADD', P .. 'w:' .. other, id)
  end
end

local settle

local function park(id, found)
  let_go(id)
  not_due(id)
  -- A known creator: the time it takes does not count.
  redis.call('HDEL', row(id), 'waiting_since')
  waits(id, found[1], found[2], found[3], found[4])
  if redis.call('EXISTS', P .. 'w:' .. id) == 0 or not waits_for(found[1], id) then return end
  -- A circle: whoever in it merely stands in line goes first.
  local other = found[1]
  while other ~= id do
    local facts = redis.call('HMGET', row(other), 'waiting_for', 'waiting_kind')
    if facts[2] == 'order' or facts[2] == 'version' then return settle(other, now) end
    other = facts[1]
  end
end

-- Waiting for another commit, or due at `at`.
settle = function(id, at)
  no_longer_waiting(id)
  local found = blocker(id, keys_of(id))
  if found then return park(id, found) end
  schedule(id, 'queued', at)
end

-- Something has changed about `id`: who waits for it looks again.
local function wake(id)
  local all = redis.call('SMEMBERS', P .. 'w:' .. id)
  redis.call('DEL', P .. 'w:' .. id)
  table.sort(all)
  for _, other in ipairs(all) do
    local wait = redis.call('HMGET', row(other), 'state', 'waiting_for')
    if wait[1] == 'waiting' and wait[2] == id then settle(other, now) end
  end
end

-- Those whom the server told that something is missing, and who wait for anybody to create one of these entities.
local function wake_those_who_miss(entities)
  for _, e in ipairs(entities) do
    for _, other in ipairs(redis.call('SMEMBERS', P .. 'x:n:' .. e)) do
      if redis.call('HGET', row(other), 'waiting_kind') == 'missing' then settle(other, now) end
    end
  end
end

local function bury(id, failure)
  let_go(id)
  move(id, 'dead')
  redis.call('HSET', row(id), 'error', failure, 'undecided_claims', '0')
  not_due(id)
  step_out(id, keys_of(id))
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
local function finish(id, verdict, retention, tombstone_seconds)
  redis.call('DEL', P .. 'p:' .. id)
  redis.call('ZADD', P .. 'expiry', stamp(now + tonumber(retention)), id)
  local tombstone = P .. 't:' .. id
  redis.call('HSET', tombstone, 'digest', redis.call('HGET', row(id), 'digest'), 'verdict', verdict,
    'ended_at', stamp(now), 'expires_at', stamp(now + tonumber(tombstone_seconds)))
  redis.call('EXPIRE', tombstone, math.ceil(tonumber(tombstone_seconds)))
  local keys = keys_of(id)
  step_out(id, keys)
  forget_order(id, keys)
  wake(id)
end

-- The breaker
local B = P .. 'breaker'

local function open_seconds()
  local facts = redis.call('HMGET', B, 'total', 'open')
  return tonumber(facts[1] or '0') + (facts[2] and (now - tonumber(facts[2])) or 0)
end

local function open_breaker(kind, reason, probe_seconds)
  local was = redis.call('HGET', B, 'open')
  redis.call('HSET', B, 'kind', kind, 'reason', reason, 'probe_at', stamp(now + tonumber(probe_seconds)))
  if was then return false end
  redis.call('HSET', B, 'open', stamp(now))
  return true
end

local function close_breaker()
  redis.call('HDEL', B, 'signature', 'ids')
  if redis.call('HEXISTS', B, 'open') == 0 then return false end
  redis.call('HSET', B, 'total', stamp(open_seconds()))
  redis.call('HDEL', B, 'open', 'kind', 'reason', 'probe_at')
  return true
end

-- Not the commit's own fault: the claim does not count, and the horizon counts from the next one.
local function uncount(id)
  redis.call('HINCRBY', row(id), 'attempts', -1)
  redis.call('HSET', row(id), 'undecided_claims', '0')
  redis.call('HDEL', row(id), 'trying_since')
end

-- The same error on many commits in a row is not the fault of any of them: the breaker opens and those that died of it are taken back.
-- If another commit passes meanwhile, it was their fault after all, and their next such verdict stands.
-- Returns whether this commit is to be spared, and whether the breaker has opened.
local function same_error(id, signature, failure, limit, probe_seconds)
  if signature == '' then return false, false end
  local facts = redis.call('HMGET', B, 'open', 'kind', 'signature', 'ids')
  if facts[1] and facts[2] == 'streak' and facts[3] == signature then
    redis.call('HSET', row(id), 'suspected', signature)
    open_breaker('streak', failure, probe_seconds)
    return true, false
  end
  -- An answer about this commit: whatever was wrong around us is over.
  if facts[1] then close_breaker() end
  if redis.call('HGET', row(id), 'suspected') == signature then return false, false end
  local ids, count = (facts[3] == signature and facts[4]) or '\n', 0
  if not string.find(ids, '\n' .. id .. '\n', 1, true) then ids = ids .. id .. '\n' end
  for _ in string.gmatch(ids, '[^\n]+') do count = count + 1 end
  redis.call('HSET', B, 'signature', signature, 'ids', ids)
  if count < tonumber(limit) then return false, false end
  for other in string.gmatch(ids, '[^\n]+') do
    redis.call('HSET', row(other), 'suspected', signature)
    if other ~= id and redis.call('HGET', row(other), 'state') == 'dead' then
      redis.call('HDEL', row(other), 'trying_since')
      line_up(other, keys_of(other))
      settle(other, now)
      wake(other)
    end
  end
  return true, open_breaker('streak', failure, probe_seconds)
end

-- How many commits may be claimed now, of `most` at a time, and whether it would be a probe.
local function room(most)
  local pause = redis.call('GET', P .. 'pause')
  if pause and tonumber(pause) > now then return 0, false end
  local free = math.huge
  if tonumber(most) > 0 then free = math.max(tonumber(most) - redis.call('ZCARD', P .. 'leases'), 0) end
  local probe_at = redis.call('HGET', B, 'probe_at')
  if not probe_at then return free, false end
  if tonumber(probe_at) > now then return 0, false end
  return math.min(free, 1), true
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
