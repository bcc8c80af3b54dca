-- Go on leading a flight, or give it up. KEYS[1] flight; ARGV: token, milliseconds (0: give it up). Return whether one still leads.
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
