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
  if any('x:n:', keys.n) then
    for _, e in ipairs(keys.n) do redis.call('SREM', P .. 'x:n:' .. e, id) end
  end
end

-- Calls `act` with each {entity, attribute} that is written and whose last recorded value wins, the key under which it stands when the
-- committed one was recorded, and that moment or false.
local function each_last_wins(keys, act)
  local written, places = {}, {}
  for _, w in ipairs(keys.w) do
    if w[3] == 1 then
      written[#written + 1] = w
      places[#places + 1] = P .. 'x:t:' .. w[1] .. ':' .. w[2]
    end
  end
  for i, moment in ipairs(strings(places)) do act(written[i], places[i], moment) end
end

-- Whether `other` waits, over any number of others, for one of the set `those`.
local function waits_for(other, those)
  for _ = 1, 1000 do
    local wait = redis.call('HMGET', row(other), 'state', 'waiting_for')
    if wait[1] ~= 'waiting' or not wait[2] then return false end
    if those[wait[2]] then return true end
    other = wait[2]
  end
  return false
end

local function awaited(id) return redis.call('EXISTS', P .. 'w:' .. id, P .. 'wake:' .. id) > 0 end

-- Calls `act` with each unmet need, {id, kind, subject, state}, until it returns true: what a commit depends on, then who creates what
-- it refers to.
local function each_need(commit, keys, act)
  for _, other in ipairs(keys.o) do
    local state = redis.call('HGET', row(other), 'state') or redis.call('HGET', P .. 't:' .. other, 'verdict') or 'unknown'
    if state ~= 'committed' and act({other, 'depends', other, (not ACTIVE[state]) and state or ''}) then return end
  end
  if not any('x:c:', keys.n) then return end
  -- Of creators only earlier ones count, until the server has said that something is missing.
  local until_when = commit.missing and '+inf' or ('(' .. (commit.accepted or '0'))
  for _, e in ipairs(keys.n) do
    local found
    for _, other in ipairs(redis.call('ZRANGEBYSCORE', P .. 'x:c:' .. e, '-inf', until_when)) do
      if other ~= commit.id then
        local state = redis.call('HGET', row(other), 'state')
        if state ~= 'dead' then
          found = {other, 'needs', e, state == 'held' and state or ''}
          break
        end
        found = found or {other, 'needs', e, 'dead'}
      end
    end
    if found and act(found) then return end
  end
end

-- The first thing in the way, as in `each_need`, or nil. `but` (or nil): a set of commits, of which this is one, that are committed
-- together and so are in nobody's way among them.
local function blocker(commit, keys, but)
  local found
  each_need(commit, keys, function(need)
    if but and but[need[1]] then return false end
    found = need
    return true
  end)
  if found then return found end
  -- Nobody waits for a commit that waits for it: what it needs goes before what it merely writes too.
  local those, awaited = but or {[commit.id] = true}, but or awaited(commit.id)
  local place = commit.place or '0'
  local function last_before(key)
    local offset = 0
    while true do
      local last = redis.call('ZREVRANGEBYSCORE', key, '(' .. place, '-inf', 'WITHSCORES', 'LIMIT', offset, 1)
      if not last[1] then return nil, 0 end
      if not those[last[1]] and not (awaited and waits_for(last[1], those)) then return last[1], tonumber(last[2]) end
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
