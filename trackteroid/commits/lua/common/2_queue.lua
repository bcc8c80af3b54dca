-- The queue: who is next.
local function make_ready(id, priority, flow, at)
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

-- What stands anywhere in the queue has a `due_at`, until it is claimed.
local function unqueue(commit)
  if not commit.due_at then return end
  redis.call('ZREM', P .. 'due', commit.id)
  redis.call('ZREM', P .. 'away', commit.id)
  if redis.call('ZSCORE', P .. 'ready', commit.id) then out_of_queue(commit.id, commit.priority or '0', commit.flow or '') end
end

-- The next commit, or nil. At most 100 of those that have become due are put in line at a time.
local function take()
  local due = redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', stamp(now), 'WITHSCORES', 'LIMIT', 0, 100)
  for i = 1, #due, 2 do
    redis.call('ZREM', P .. 'due', due[i])
    redis.call('ZREM', P .. 'away', due[i])
    local place = redis.call('HMGET', row(due[i]), 'priority', 'flow')
    make_ready(due[i], place[1] or '0', place[2] or '', due[i + 1])
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
local function schedule(commit, state, at)
  let_go(commit)
  local uncertain = tonumber(commit.uncertain_until or '')
  if uncertain and uncertain > at then at = uncertain end
  unqueue(commit)
  commit.due_at = stamp(at)
  move(commit, state, 'due_at', commit.due_at)
  if at <= now then
    make_ready(commit.id, commit.priority or '0', commit.flow or '', commit.due_at)
  else
    redis.call('ZADD', P .. 'due', commit.due_at, commit.id)
  end
end

local function not_due(commit)
  unqueue(commit)
  if commit.due_at then redis.call('HDEL', row(commit.id), 'due_at') end
  commit.due_at = false
end
