-- id, actor, facts -> 'ok', 'again', or what is in the way: 'unknown' or the state
local id = ARGV[2]
local state = redis.call('HGET', row(id), 'state')
if not state then return 'unknown' end
if state ~= 'held' then
  if state == 'dead' or state == 'cancelled' then return state end
  return 'again'
end
acted(id, 'release', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', row(id), 'release', ARGV[4]) end
line_up(id, keys_of(id))
settle(look_up(id), now)
wake(id)
return 'ok'
