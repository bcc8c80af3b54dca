-- Store an entry if its stamps still hold and none is open; return whether it was stored.
-- KEYS[1] entry, KEYS[2] prefix of the tags' keys; ARGV[1] {tag: stamp} as JSON, ARGV[2] payload,
-- ARGV[3] milliseconds it lives, ARGV[4] what an open stamp starts with.
for tag, stamp in pairs(cjson.decode(ARGV[1])) do
  if string.sub(stamp, 1, #ARGV[4]) == ARGV[4] then return 0 end
  if redis.call('GET', KEYS[2] .. tag) ~= stamp then return 0 end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'payload', ARGV[2], 'stamps', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
