-- age in seconds, limit -> number of commits told of: held since longer than that, each told of once
also_when_full()
local held, limit = P .. 'state:held', tonumber(ARGV[3])
local past = redis.call('GET', P .. 'overdue') or '-inf'
local found = redis.call('ZRANGEBYSCORE', held, '(' .. past, stamp(now - tonumber(ARGV[2])), 'WITHSCORES', 'LIMIT', 0, limit)
local last = found[#found]
if not last then return 0 end
local ids = {}
for i = 1, #found, 2 do
  if found[i + 1] ~= last then ids[#ids + 1] = found[i] end
end
-- Of the same moment as the last one there may be more than the limit lets through.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', held, last, last)) do ids[#ids + 1] = id end
for _, id in ipairs(ids) do tell('overdue', id) end
redis.call('SET', P .. 'overdue', last)
return #ids
