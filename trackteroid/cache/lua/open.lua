-- Mark tags as being changed by a writer. KEYS[1] prefix of the tags' keys, KEYS[2] of the writers'.
-- ARGV: now, a new stamp that begins with "!", the writer, milliseconds for which it is believed, tags.
local now = clock()
local alone, ends = not any(writers), text(now + tonumber(ARGV[4]) * 1000)
for i, key in ipairs(writers) do
  local left = ARGV[4]
  local marked = redis.pcall('ZADD', key, ends, ARGV[3])
  if type(marked) == 'table' then
    -- Garbage of another type.
    redis.call('DEL', key)
    redis.call('ZADD', key, ends, ARGV[3])
  elseif not alone then
    left = changing(key, now)
  end
  redis.call('PEXPIRE', key, left)
  redis.call('SET', KEYS[1] .. ARGV[i + 4], ARGV[2], 'PX', left)
end
return #writers
