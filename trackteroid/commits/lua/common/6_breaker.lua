-- The breaker: trouble around us.
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
  tell('breaker_open', '', reason)
  return true
end

-- The server has said something about a commit.
local function close_breaker()
  answered()
  local facts = redis.call('HMGET', B, 'open', 'reason', 'signature')
  if facts[3] then redis.call('HDEL', B, 'signature', 'ids') end
  if not facts[1] then return false end
  redis.call('HSET', B, 'total', stamp(open_seconds()))
  tell('breaker_closed', '', facts[2])
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
      settle(look_up(other), now)
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
