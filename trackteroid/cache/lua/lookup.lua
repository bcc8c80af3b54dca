-- Return an entry whose stamps all still hold: {payload, stamps as JSON}; false otherwise.
-- KEYS[1] entry, KEYS[2] prefix of the tags' keys.
local entry = redis.call('HMGET', KEYS[1], 'payload', 'stamps')
if not entry[1] or not entry[2] then return false end
local ok, stamps = pcall(cjson.decode, entry[2])
if not ok then return false end
for tag, stamp in pairs(stamps) do
  if redis.call('GET', KEYS[2] .. tag) ~= stamp then return false end
end
return {entry[1], entry[2]}
