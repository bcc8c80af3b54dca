-- limit -> number of rows removed. Tombstones stay.
local expired = redis.call('ZRANGEBYSCORE', P .. 'expiry', '-inf', stamp(now), 'LIMIT', 0, tonumber(ARGV[2]))
for _, id in ipairs(expired) do
  local state = redis.call('HGET', row(id), 'state')
  if state then redis.call('ZREM', P .. 'state:' .. state, id) end
  redis.call('ZREM', P .. 'expiry', id)
  unindex(id)
  redis.call('DEL', row(id), P .. 'p:' .. id)
end
return #expired
