-- Give tags a new stamp, and end a writer's marks. KEYS[1] prefix of the tags' keys, KEYS[2] of the writers'.
-- ARGV: now, the stamp, the writer (empty: none), milliseconds that the stamp lives, tags.
-- Where others are changing a tag, its new stamp says so.
local now = clock()
-- What is no sorted set is left for `changing`.
for _, key in ipairs(writers) do redis.pcall('ZREM', key, ARGV[3]) end
local alone = not any(writers)
for i, key in ipairs(writers) do
  local stamp, left = ARGV[2], ARGV[4]
  local others = not alone and changing(key, now)
  if others then stamp, left = '!' .. stamp, others end
  redis.call('SET', KEYS[1] .. ARGV[i + 4], stamp, 'PX', left)
end
return #writers
