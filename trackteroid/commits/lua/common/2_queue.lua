-- The queue: who is next.
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
  redis.call('ZREM', P .. 'away', id)
  if not redis.call('ZSCORE', P .. 'ready', id) then return end
  local place = redis.call('HMGET', row(id), 'priority', 'flow')
  out_of_queue(id, place[1] or '0', place[2] or '')
end

-- The next commit, or nil. At most 100 of those that have become due are put in line at a time.
local function take()
  local due = redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', stamp(now), 'WITHSCORES', 'LIMIT', 0, 100)
  for i = 1, #due, 2 do
    redis.call('ZREM', P .. 'due', due[i])
    redis.call('ZREM', P .. 'away', due[i])
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
