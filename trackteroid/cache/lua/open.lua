-- Mark tags as being changed by a writer. KEYS[1] prefix of the tags' keys, KEYS[2] of the writers'.
-- ARGV: now, a new stamp that begins with "!", the writer, milliseconds for which it is believed, tags.
local now = clock()
for i = 5, #ARGV do
  local writers = KEYS[2] .. ARGV[i]
  if redis.call('TYPE', writers).ok ~= 'zset' then redis.call('DEL', writers) end
  redis.call('ZADD', writers, text(now + tonumber(ARGV[4]) * 1000), ARGV[3])
  local left = changing(writers, now)
  redis.call('PEXPIRE', writers, left)
  redis.call('SET', KEYS[1] .. ARGV[i], ARGV[2], 'PX', left)
end
return #ARGV - 4
