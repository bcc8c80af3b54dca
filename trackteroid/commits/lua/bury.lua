-- id, token, error -> 1, or 0 if the lease is lost
if not held(ARGV[2], ARGV[3]) then return 0 end
bury(ARGV[2], ARGV[4])
return 1
