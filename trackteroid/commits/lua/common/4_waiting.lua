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
