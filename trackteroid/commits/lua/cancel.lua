-- id, actor, retention seconds, tombstone seconds -> 'ok', 'again', or what is in the way: 'unknown' or the state
also_when_full()
local id = ARGV[2]
local state = redis.call('HGET', row(id), 'state')
if not state then return 'unknown' end
if state == 'cancelled' then return 'again' end
if state == 'committing' or state == 'committed' then return state end
local wait = redis.call('HMGET', row(id), 'waiting_kind', 'waiting_for', 'uncertain_until')
local leader = wait[1] == 'together' and wait[2]
if leader and redis.call('HGET', row(leader), 'state') == 'committing' then return 'committing' end
-- Without the one that was tried for all of them, the others keep in mind that it may have got through.
for _, other in ipairs(companions_of(id)) do
  if wait[3] then redis.call('HSET', row(other), 'uncertain_until', wait[3]) end
end
acted(id, 'cancel', ARGV[3])
move(id, 'cancelled')
redis.call('HDEL', row(id), 'together')
no_longer_waiting(id)
not_due(id)
finish(id, 'cancelled', ARGV[4], ARGV[5])
if leader and ACTIVE[redis.call('HGET', row(leader), 'state') or ''] then settle(leader, now) end
return 'ok'
