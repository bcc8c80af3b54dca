-- Give tags a new stamp, and end a writer's marks. KEYS[1] prefix of the tags' keys, KEYS[2] of the writers'.
-- ARGV: now, the stamp, the writer (empty: none), milliseconds that the stamp lives, tags.
-- Where others are changing a tag, its new stamp says so.
local now = clock()
for i = 5, #ARGV do
  local writers, stamp, left = KEYS[2] .. ARGV[i], ARGV[2], ARGV[4]
  local kind = redis.call('TYPE', writers).ok
  if kind == 'zset' then
    redis.call('ZREM', writers, ARGV[3])
    local others = changing(writers, now)
    if others then stamp, left = '!' .. stamp, others end
  elseif kind ~= 'none' then
    redis.call('DEL', writers)
  end
  redis.call('SET', KEYS[1] .. ARGV[i], stamp, 'PX', left)
end
return #ARGV - 4
