-- In front of open.lua, raise.lua.

-- Milliseconds until the last of those who are changing a tag is not believed any more, nil if nobody is changing it. Who is not
-- believed any more goes, and so does garbage of another type.
local function changing(writers, now)
  local gone = redis.pcall('ZREMRANGEBYSCORE', writers, '-inf', text(now))
  if type(gone) == 'table' then
    redis.call('DEL', writers)
    return nil
  end
  local last = redis.call('ZREVRANGE', writers, 0, 0, 'WITHSCORES')
  if last[2] then return math.max(1, math.ceil((tonumber(last[2]) - now) / 1000)) end
end

-- Whether anything at all stands under one of the keys. Mostly nothing does, and one question for all of them says so. In portions:
-- Lua passes on some thousands of arguments at most.
local function any(keys)
  for i = 1, #keys, 1000 do
    if redis.call('EXISTS', unpack(keys, i, math.min(i + 999, #keys))) > 0 then return true end
  end
  return false
end

local writers = {}
for i = 5, #ARGV do writers[i - 4] = KEYS[2] .. ARGV[i] end

-- A Redis that is full refuses the first write of a script if it takes room, and only that.
redis.call('DEL', KEYS[1])
