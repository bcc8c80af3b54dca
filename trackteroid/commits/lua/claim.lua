-- owner, lease seconds, most claims, reap limit, most at a time, probe seconds -> {now, id, token, payload, row, overtaken, probe,
-- {{id, payload, row, overtaken} of each companion}, stand-ins} or nil.
-- overtaken: entity, attribute, ... whose committed value was recorded later than this one's.
-- stand-ins: of all of them, entity that may stand for another (order.py), that other or empty, ...
also_when_full()
local function overtaken(id, keys)
  local found = {}
  if not keys.w[1] then return found end
  local facts = read(id, {'recorded_at', 'created_at'})
  local recorded = tonumber(facts.recorded_at or facts.created_at)
  each_last_wins(keys, function(w, _, last)
    if last and tonumber(last) > recorded then
      found[#found + 1] = w[1]
      found[#found + 1] = w[2]
    end
  end)
  return found
end

local function add_stand_ins(list, keys)
  local entities, places = {}, {}
  for _, e in ipairs(keys.n) do
    if #e == 36 and string.sub(e, 15, 15) == '5' then
      entities[#entities + 1] = e
      places[#places + 1] = P .. 'e:' .. e
    end
  end
  for i, other in ipairs(strings(places)) do
    list[#list + 1] = entities[i]
    list[#list + 1] = other or ''
  end
end

-- The clocks of the horizons stand still while the breaker is open: the fields that say so, and their values.
local function horizons(facts)
  local total = open_seconds()
  local shift = total - tonumber(facts.open_seconds or total)
  local trying = facts.trying_since and tonumber(facts.trying_since) + shift or now
  if not facts.waiting_since then return 'open_seconds', stamp(total), 'trying_since', stamp(trying) end
  local waiting = tonumber(facts.waiting_since) + shift
  return 'open_seconds', stamp(total), 'trying_since', stamp(trying), 'waiting_since', stamp(waiting)
end

reap(tonumber(ARGV[5]), tonumber(ARGV[4]))
local free, probe = room(ARGV[6])
if free < 1 then return false end
while true do
  local id = take()
  if not id then return false end
  -- An index entry without its row can only come from outside (somebody deleted keys): drop it and look on.
  local commit = look_up(id)
  if commit.state then
    if probe then redis.call('HSET', B, 'probe_at', stamp(now + tonumber(ARGV[7]))) end
    no_longer_waiting(commit)
    local facts = read(id, {'attempts', 'undecided_claims', 'token', 'open_seconds', 'trying_since', 'waiting_since'})
    local token, expires = (facts.token or 0) + 1, stamp(now + tonumber(ARGV[3]))
    move(commit, 'committing', 'attempts', (facts.attempts or 0) + 1, 'undecided_claims', (facts.undecided_claims or 0) + 1,
      'token', token, 'owner', ARGV[2], 'lease_expires_at', expires, horizons(facts))
    redis.call('HDEL', row(id), 'due_at')
    redis.call('ZADD', P .. 'leases', expires, id)
    local stand_ins = {}
    local function whole(one)
      local keys = keys_of(one)
      add_stand_ins(stand_ins, keys)
      return redis.call('GET', P .. 'p:' .. one), redis.call('HGETALL', row(one)), overtaken(one, keys)
    end
    local companions = {}
    for i, other in ipairs(companions_of(commit)) do companions[i] = {other, whole(other)} end
    local payload, fields, late = whole(id)
    return {stamp(now), id, token, payload, fields, late, probe and 1 or 0, companions, stand_ins}
  end
end
