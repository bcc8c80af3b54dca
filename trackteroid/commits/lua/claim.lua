-- owner, lease seconds, most claims, reap limit, most at a time, probe seconds -> {now, id, token, payload, row, overtaken, probe,
-- {{id, payload, row, overtaken} of each companion}, stand-ins} or nil.
-- overtaken: entity, attribute, ... whose committed value was recorded later than this one's.
-- stand-ins: of all of them, entity that may stand for another (order.py), that other or empty, ...
also_when_full()
local function overtaken(id, keys)
  local found, recorded = {}, redis.call('HMGET', row(id), 'recorded_at', 'created_at')
  recorded = tonumber(recorded[1] or recorded[2])
  for _, w in ipairs(keys.w) do
    if w[3] == 1 then
      local last = redis.call('GET', P .. 'x:t:' .. w[1] .. ':' .. w[2])
      if last and tonumber(last) > recorded then
        found[#found + 1] = w[1]
        found[#found + 1] = w[2]
      end
    end
  end
  return found
end

local function add_stand_ins(list, keys)
  for _, e in ipairs(keys.n) do
    if #e == 36 and string.sub(e, 15, 15) == '5' then
      list[#list + 1] = e
      list[#list + 1] = redis.call('GET', P .. 'e:' .. e) or ''
    end
  end
end

-- The clocks of the horizons stand still while the breaker is open.
local function horizons(id)
  local total, facts = open_seconds(), redis.call('HMGET', row(id), 'trying_since', 'waiting_since', 'open_seconds')
  local shift = total - tonumber(facts[3] or total)
  redis.call('HSET', row(id), 'open_seconds', stamp(total), 'trying_since', stamp(tonumber(facts[1] or now) + (facts[1] and shift or 0)))
  if facts[2] then redis.call('HSET', row(id), 'waiting_since', stamp(tonumber(facts[2]) + shift)) end
end

reap(tonumber(ARGV[5]), tonumber(ARGV[4]))
local free, probe = room(ARGV[6])
if free < 1 then return false end
while true do
  local id = take()
  if not id then return false end
  -- An index entry without its row can only come from outside (somebody deleted keys): drop it and look on.
  if redis.call('EXISTS', row(id)) == 1 then
    no_longer_waiting(id)
    move(id, 'committing')
    redis.call('HINCRBY', row(id), 'attempts', 1)
    redis.call('HINCRBY', row(id), 'undecided_claims', 1)
    if probe then redis.call('HSET', B, 'probe_at', stamp(now + tonumber(ARGV[7]))) end
    horizons(id)
    local expires = stamp(now + tonumber(ARGV[3]))
    redis.call('HSET', row(id), 'owner', ARGV[2], 'lease_expires_at', expires)
    redis.call('HDEL', row(id), 'due_at')
    redis.call('ZADD', P .. 'leases', expires, id)
    local token = redis.call('HINCRBY', row(id), 'token', 1)
    local stand_ins = {}
    local function facts(one)
      local keys = keys_of(one)
      add_stand_ins(stand_ins, keys)
      return redis.call('GET', P .. 'p:' .. one), redis.call('HGETALL', row(one)), overtaken(one, keys)
    end
    local companions = {}
    for i, other in ipairs(companions_of(id)) do companions[i] = {other, facts(other)} end
    local payload, fields, late = facts(id)
    return {stamp(now), id, token, payload, fields, late, probe and 1 or 0, companions, stand_ins}
  end
end
