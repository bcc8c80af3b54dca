-- Return the stamps of tags, made now where there are none.
-- KEYS[1] prefix of the tags' keys; ARGV[1] a new stamp, ARGV[2] seconds it lives, ARGV[3..] tags.
local found = {}
for i = 3, #ARGV do
  local key = KEYS[1] .. ARGV[i]
  local stamp = redis.call('GET', key)
  if not stamp then
    stamp = ARGV[1]
    redis.call('SET', key, stamp, 'EX', ARGV[2])
  end
  found[#found + 1] = stamp
end
return found
