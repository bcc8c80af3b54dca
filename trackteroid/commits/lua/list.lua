-- limit, created_at and id of the last one seen (or empty), state... -> {id, row, id, row, ...}, newest first
local limit, before, last, found = tonumber(ARGV[2]), ARGV[3], ARGV[4], {}
local function collect(page, under)
  for j = 1, #page, 2 do
    if not under or page[j] < under then found[#found + 1] = {page[j], tonumber(page[j + 1])} end
  end
end
for i = 5, #ARGV do
  local key = P .. 'state:' .. ARGV[i]
  if before == '' then
    collect(redis.call('ZREVRANGE', key, 0, limit - 1, 'WITHSCORES'))
  else
    -- Of the same moment those that come after it, then the older ones.
    collect(redis.call('ZRANGEBYSCORE', key, before, before, 'WITHSCORES'), last)
    collect(redis.call('ZREVRANGEBYSCORE', key, '(' .. before, '-inf', 'WITHSCORES', 'LIMIT', 0, limit))
  end
end
table.sort(found, function(a, b)
  if a[2] ~= b[2] then return a[2] > b[2] end
  return a[1] > b[1]
end)
local answer = {}
for i = 1, math.min(limit, #found) do
  answer[#answer + 1] = found[i][1]
  answer[#answer + 1] = redis.call('HGETALL', row(found[i][1]))
end
return answer
