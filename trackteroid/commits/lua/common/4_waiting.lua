-- Waiting for another commit.

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

-- Those who need each other, over any number of others, `id` being one of them: as a list in the order of acceptance and as a set;
-- nil if there are none, or so many that a person has to look.
local function circle(id)
  local all, seen, needed_by = {id}, {[id] = true}, {}
  local at = 1
  while all[at] do
    local one = all[at]
    each_need(one, keys_of(one), function(need)
      local other = need[1]
      needed_by[other] = needed_by[other] or {}
      table.insert(needed_by[other], one)
      if not seen[other] and redis.call('HGET', row(other), 'state') == 'waiting' then
        seen[other] = true
        all[#all + 1] = other
      end
    end)
    at = at + 1
    if at > 500 then return nil end
  end
  local members, set = {id}, {[id] = true}
  at = 1
  while members[at] do
    for _, other in ipairs(needed_by[members[at]] or {}) do
      if not set[other] then
        set[other] = true
        members[#members + 1] = other
      end
    end
    at = at + 1
  end
  if #members == 1 then return nil end
  local accepted = {}
  for _, one in ipairs(members) do accepted[one] = tonumber(redis.call('HGET', row(one), 'accepted') or '0') end
  table.sort(members, function(a, b) return accepted[a] < accepted[b] end)
  return members, set
end

-- The other members of a circle that `id` leads, in the order of acceptance.
local function companions_of(id)
  local text = redis.call('HGET', row(id), 'together')
  return text and cjson.decode(text) or {}
end

local settle

-- `id` is tried for all of them, as one batch; the others wait for it.
local function join(id, members)
  local others = {}
  for _, other in ipairs(members) do
    if other ~= id then
      others[#others + 1] = other
      redis.call('HDEL', row(other), 'together')
      no_longer_waiting(other)
      waits(other, id, 'together', id, '')
    end
  end
  no_longer_waiting(id)
  redis.call('HSET', row(id), 'together', cjson.encode(others))
  schedule(id, 'queued', now)
end

-- `outside`: the obstacle is one of a circle's, and not in it.
local function park(id, found, outside)
  let_go(id)
  not_due(id)
  -- A known creator: the time it takes does not count.
  redis.call('HDEL', row(id), 'waiting_since')
  waits(id, found[1], found[2], found[3], found[4])
  if not awaited(id) or not waits_for(found[1], {[id] = true}) then return end
  -- A circle: whoever in it merely stands in line goes first.
  local other = found[1]
  while other ~= id do
    local facts = redis.call('HMGET', row(other), 'waiting_for', 'waiting_kind')
    if facts[2] == 'order' or facts[2] == 'version' then return settle(other, now) end
    other = facts[1]
  end
  if outside then return end
  -- They need each other: as soon as nothing else is in the way of any of them, they are committed together.
  local members, set = circle(id)
  if not members then return end
  for _, one in ipairs(members) do
    local obstacle = blocker(one, keys_of(one), set)
    if obstacle then
      no_longer_waiting(id)
      return park(id, obstacle, true)
    end
  end
  join(id, members)
end

-- Waiting for another commit, or due at `at`.
settle = function(id, at)
  no_longer_waiting(id)
  redis.call('HDEL', row(id), 'together')
  local found = blocker(id, keys_of(id))
  if found then return park(id, found) end
  schedule(id, 'queued', at)
end

-- Whoever `id`, just accepted, waits for may need what it creates. Then the server need not be asked to find that out.
local function find_circle(id, keys)
  local created = {}
  for _, e in ipairs(keys.c) do created[e] = true end
  local other = redis.call('HGET', row(id), 'waiting_for')
  for _ = 1, 50 do
    if not other then return end
    local facts = redis.call('HMGET', row(other), 'state', 'waiting_kind', 'waiting_for')
    if not ACTIVE[facts[1] or ''] or facts[1] == 'committing' then return end
    local leader = facts[2] == 'together' and facts[3] or other
    if leader ~= other and redis.call('HGET', row(leader), 'state') == 'committing' then return end
    for _, e in ipairs(keys_of(other).n) do
      if created[e] then
        redis.call('HSET', row(other), 'missing', '1')
        return settle(leader, now)
      end
    end
    if facts[2] == 'order' or facts[2] == 'version' then return end
    other = facts[3]
  end
end

local function settle_all(waiting, id)
  table.sort(waiting)
  for _, other in ipairs(waiting) do
    local wait = redis.call('HMGET', row(other), 'state', 'waiting_for')
    if wait[1] == 'waiting' and wait[2] == id then settle(other, now) end
  end
end

-- As many as that, for Redis answers nobody meanwhile; the others with the next claims and sweeps. Until then they wait as before.
local WAKE_AT_ONCE = 200
local function wake_some(id)
  local key = P .. 'wake:' .. id
  local some = redis.call('SPOP', key, WAKE_AT_ONCE)
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', P .. 'to_wake', id) end
  settle_all(some, id)
end

-- Something has changed about `id`: who waits for it looks again.
local function wake(id)
  local key, later = P .. 'w:' .. id, P .. 'wake:' .. id
  if redis.call('SCARD', key) <= WAKE_AT_ONCE and redis.call('EXISTS', later) == 0 then
    local all = redis.call('SMEMBERS', key)
    redis.call('DEL', key)
    return settle_all(all, id)
  end
  -- Who still has to wait for it afterwards is in the other set again, and not woken once more.
  redis.call('SUNIONSTORE', later, later, key)
  redis.call('DEL', key)
  redis.call('SADD', P .. 'to_wake', id)
  wake_some(id)
end

local function wake_more()
  local id = redis.call('SRANDMEMBER', P .. 'to_wake')
  if id then wake_some(id) end
end

-- Those whom the server told that something is missing, and who wait for anybody to create one of these entities.
local function wake_those_who_miss(entities)
  for _, e in ipairs(entities) do
    for _, other in ipairs(redis.call('SMEMBERS', P .. 'x:n:' .. e)) do
      local wait = redis.call('HMGET', row(other), 'waiting_kind', 'waiting_for')
      if wait[1] == 'together' then
        other = wait[2]
        wait = redis.call('HMGET', row(other), 'waiting_kind')
      end
      if wait[1] == 'missing' then settle(other, now) end
    end
  end
end
