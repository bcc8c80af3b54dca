-- id, actor, retention seconds, tombstone seconds -> 'ok', 'again', or what is in the way: 'unknown' or the state
also_when_full()
local id = ARGV[2]
local state = redis.call('HGET', row(id), 'state')
if not state then return 'unknown' end
if state == 'cancelled' then return 'again' end
if state == 'committing' or state == 'committed' then return state end
acted(id, 'cancel', ARGV[3])
move(id, 'cancelled')
no_longer_waiting(id)
not_due(id)
finish(id, 'cancelled', ARGV[4], ARGV[5])
return 'ok'
