-- The server was away and is back: who failed meanwhile need not wait out its back-off, which is up to an hour by then.
--   away          zset, id by the time of its failure, of those due later that failed because the server was away or busy
--   outage        hash: since (first such failure after the last answer), over (who failed before that is due again)
-- A failure between answers is no outage, so nothing that fails for itself is tried more often because others pass.
local OUTAGE_SECONDS = 60
-- Due again with each answer: nothing after it may pass, and each that passes brings as many more.
local BACK_AT_ONCE = 10

local function missed(id)
  redis.call('HSETNX', P .. 'outage', 'since', stamp(now))
  if redis.call('ZSCORE', P .. 'due', id) then redis.call('ZADD', P .. 'away', stamp(now), id) end
end

local function answered()
  local outage = P .. 'outage'
  local facts = redis.call('HMGET', outage, 'since', 'over')
  local since, over = tonumber(facts[1] or ''), facts[2]
  if since then
    redis.call('HDEL', outage, 'since')
    if now - since >= OUTAGE_SECONDS then
      over = stamp(now)
      redis.call('HSET', outage, 'over', over)
    end
  end
  if not over then return end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'away', '-inf', '(' .. over, 'LIMIT', 0, BACK_AT_ONCE)) do
    redis.call('ZREM', P .. 'away', id)
    local commit = look_up(id)
    if commit.state then schedule(commit, 'retrying', now) end
  end
end
