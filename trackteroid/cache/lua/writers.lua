-- In front of open.lua, raise.lua.

-- Milliseconds until the last of those who are changing a tag is not believed any more, nil if nobody is changing it.
local function changing(writers, now)
  redis.call('ZREMRANGEBYSCORE', writers, '-inf', text(now))
  local last = redis.call('ZREVRANGE', writers, 0, 0, 'WITHSCORES')
  if last[2] then return math.max(1, math.ceil((tonumber(last[2]) - now) / 1000)) end
end

-- A Redis that is full refuses the first write of a script if it takes room, and only that.
redis.call('DEL', KEYS[1])
