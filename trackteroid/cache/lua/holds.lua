-- Return whether stamps are the current ones. KEYS[1] prefix of the tags' keys; ARGV[1] {tag: stamp} as JSON.
for tag, stamp in pairs(cjson.decode(ARGV[1])) do
  if redis.call('GET', KEYS[1] .. tag) ~= stamp then return 0 end
end
return 1
