-- id, actor, retention seconds, tombstone seconds -> 'ok', 'again', or what is in the way: 'unknown' or the state
also_when_full()
local id = ARGV[2]
local commit = look_up(id)
local state = commit.state
if not state then return 'unknown' end
if state == 'cancelled' then return 'again' end
if state == 'committing' or state == 'committed' then return state end
local leader = commit.waiting_kind == 'together' and commit.waiting_for
if leader and redis.call('HGET', row(leader), 'state') == 'committing' then return 'committing' end
-- Without the one that was tried for all of them, the others keep in mind that it may have got through.
for _, other in ipairs(companions_of(commit)) do
  if commit.uncertain_until then redis.call('HSET', row(other), 'uncertain_until', commit.uncertain_until) end
end
acted(id, 'cancel', ARGV[3])
move(commit, 'cancelled')
no_longer_together(commit)
no_longer_waiting(commit)
not_due(commit)
finish(id, redis.call('HGET', row(id), 'digest'), keys_of(id), 'cancelled', ARGV[4], ARGV[5])
if leader and ACTIVE[redis.call('HGET', row(leader), 'state') or ''] then settle(look_up(leader), now) end
return 'ok'
