-- id, token, result, retention seconds, tombstone seconds -> 1, or 0 if the lease is lost
also_when_full()
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end
let_go(id)
move(id, 'committed')
redis.call('HSET', row(id), 'result', ARGV[4], 'committed_at', stamp(now), 'undecided_claims', '0')
redis.call('HDEL', row(id), 'error', 'due_at', 'uncertain_until')
finish(id, 'committed', ARGV[5], ARGV[6])
return 1
