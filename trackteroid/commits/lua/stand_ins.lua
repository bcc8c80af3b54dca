-- seconds, (id in recordings, id of the entity that was there instead or empty)...
also_when_full()
for i = 3, #ARGV, 2 do
  local key = P .. 'e:' .. ARGV[i]
  if ARGV[i + 1] == '' then redis.call('DEL', key) else redis.call('SET', key, ARGV[i + 1], 'EX', ARGV[2]) end
end
return 0
