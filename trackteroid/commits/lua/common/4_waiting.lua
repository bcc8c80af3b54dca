-- Waiting for another commit.

local function no_longer_waiting(commit)
  if not commit.waiting_kind then return end
  if commit.waiting_for then redis.call('SREM', P .. 'w:' .. commit.waiting_for, commit.id) end
  redis.call('HDEL', row(commit.id), 'waiting_for', 'waiting_kind', 'waiting_subject', 'waiting_state')
  commit.waiting_for, commit.waiting_kind = false, false
end

local function waits(commit, other, kind, subject, state)
  move(commit, 'waiting', 'waiting_kind', kind, 'waiting_subject', subject, 'waiting_state', state)
  commit.waiting_kind = kind
  if other then
    redis.call('HSET', row(commit.id), 'waiting_for', other)
    redis.call('SADD', P .. 'w:' .. other, commit.id)
    commit.waiting_for = other
  end
end

local function no_longer_together(commit)
  if commit.together then redis.call('HDEL', row(commit.id), 'together') end
  commit.together = false
end

-- Those who need each other, over any number of others, `id` being one of them: as a list in the order of acceptance and as a set;
-- nil if there are none, or so many that a person has to look.
local function circle(id)
  local all, seen, needed_by = {id}, {[id] = true}, {}
  local at = 1
  while all[at] do
    local one = all[at]
    each_need(look_up(one), keys_of(one), function(need)
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

-- The other members of a circle that a commit leads, in the order of acceptance.
local function companions_of(commit) return commit.together and cjson.decode(commit.together) or {} end

local settle

-- The commit is tried for all of them, as one batch; the others wait for it.
local function join(commit, members)
  local others = {}
  for _, id in ipairs(members) do
    if id ~= commit.id then
      others[#others + 1] = id
      local other = look_up(id)
      no_longer_together(other)
      no_longer_waiting(other)
      waits(other, commit.id, 'together', commit.id, '')
    end
  end
  no_longer_waiting(commit)
  commit.together = cjson.encode(others)
  redis.call('HSET', row(commit.id), 'together', commit.together)
  schedule(commit, 'queued', now)
end

-- `outside`: the obstacle is one of a circle's, and not in it.
local function park(commit, found, outside)
  local id = commit.id
  let_go(commit)
  not_due(commit)
  -- A known creator: the time it takes does not count.
  redis.call('HDEL', row(id), 'waiting_since')
  waits(commit, found[1], found[2], found[3], found[4])
  if not awaited(id) or not waits_for(found[1], {[id] = true}) then return end
  -- A circle: whoever in it merely stands in line goes first.
  local other = found[1]
  while other ~= id do
    local facts = redis.call('HMGET', row(other), 'waiting_for', 'waiting_kind')
    if facts[2] == 'order' or facts[2] == 'version' then return settle(look_up(other), now) end
    other = facts[1]
  end
  if outside then return end
  -- They need each other: as soon as nothing else is in the way of any of them, they are committed together.
  local members, set = circle(id)
  if not members then return end
  for _, one in ipairs(members) do
    local obstacle = blocker(look_up(one), keys_of(one), set)
    if obstacle then
      no_longer_waiting(commit)
      return park(commit, obstacle, true)
    end
  end
  join(commit, members)
end

-- Waiting for another commit, or due at `at`.
settle = function(commit, at)
  no_longer_waiting(commit)
  no_longer_together(commit)
  local found = blocker(commit, keys_of(commit.id))
  if found then return park(commit, found) end
  schedule(commit, 'queued', at)
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
        return settle(look_up(leader), now)
      end
    end
    if facts[2] == 'order' or facts[2] == 'version' then return end
    other = facts[3]
  end
end

local function settle_all(waiting, id)
  table.sort(waiting)
  for _, other in ipairs(waiting) do
    local commit = look_up(other)
    if commit.state == 'waiting' and commit.waiting_for == id then settle(commit, now) end
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
  local many = redis.call('SCARD', key)
  if many <= WAKE_AT_ONCE and redis.call('EXISTS', later) == 0 then
    if many > 0 then settle_all(redis.call('SPOP', key, many), id) end
    return
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
      local commit = look_up(other)
      if commit.waiting_kind == 'together' then commit = look_up(commit.waiting_for) end
      if commit.waiting_kind == 'missing' then settle(commit, now) end
    end
  end
end
