-- id, fence, retention seconds, tombstone seconds, result, words, whether these are all ('1' or ''), (id and the same) of each
-- companion... -> 0 if the lease is lost, 1, or 2 if that closes the breaker
also_when_full()
local id = ARGV[2]
if not held(id, ARGV[3]) then return 0 end

-- What may be no JSON is read before anything is written.
local found = {}
local function look_into(one, text)
  local commit = read(one, {'state', 'created_at', 'recorded_at', 'digest', 'words'})
  commit.all_words, commit.new_words = more_words(commit.words, text)
  commit.keys = keys_of(one)
  found[one] = commit
end
look_into(id, ARGV[7])
for i = 9, #ARGV, 4 do look_into(ARGV[i], ARGV[i + 2]) end

redis.call('ZREM', P .. 'leases', id)
local done = {}
local function complete(one, result, all)
  local commit = found[one]
  move(commit, 'committed', 'result', result, 'committed_at', NOW, 'undecided_claims', '0')
  redis.call('HDEL', row(one), 'owner', 'lease_expires_at', 'sent_until', 'uncertain_until', 'due_at', 'missing', 'waiting_since',
    'suspected', 'together', 'error')
  -- The version numbers are words too.
  if commit.all_words then index_more(one, commit.created_at, commit.all_words, commit.new_words, all == '1') end
  local keys, recorded = commit.keys, commit.recorded_at or commit.created_at
  each_last_wins(keys, function(_, place, last)
    if not last or tonumber(last) < tonumber(recorded) then
      redis.call('SET', place, recorded, 'EX', math.ceil(tonumber(ARGV[5])))
    end
  end)
  done[#done + 1] = {one, commit.digest, keys}
end

-- All of them before anybody is woken.
for i = 9, #ARGV, 4 do no_longer_waiting(look_up(ARGV[i])) end
complete(id, ARGV[6], ARGV[8])
for i = 9, #ARGV, 4 do complete(ARGV[i], ARGV[i + 1], ARGV[i + 3]) end
for _, one in ipairs(done) do finish(one[1], one[2], one[3], 'committed', ARGV[4], ARGV[5]) end
return close_breaker() and 2 or 1
