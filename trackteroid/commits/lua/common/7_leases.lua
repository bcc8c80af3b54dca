-- Holding a commit.

-- A request without an answer may still be running; one with an answer is over; one that changed nothing leaves no trace.
local function doubted(id, doubt)
  if doubt == 'none' then
    redis.call('HDEL', row(id), 'sent_until')
  elseif doubt == 'settled' and redis.call('HEXISTS', row(id), 'sent_until') == 1 then
    redis.call('HSET', row(id), 'sent_until', stamp(now))
  end
end

local function reap(limit, max_claims)
  wake_more()
  local expired = redis.call('ZRANGEBYSCORE', P .. 'leases', '-inf', stamp(now), 'LIMIT', 0, limit)
  for _, id in ipairs(expired) do
    local facts = redis.call('HMGET', row(id), 'state', 'undecided_claims', 'owner')
    if facts[1] ~= 'committing' then
      redis.call('ZREM', P .. 'leases', id)
    elseif tonumber(facts[2]) > max_claims then
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
      schedule(look_up(id), 'retrying', now)
    end
  end
  return #expired
end
