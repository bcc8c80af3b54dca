-- id, token, error, doubt -> 1, or 0 if the lease is lost
also_when_full()
if not held(ARGV[2], ARGV[3]) then return 0 end
doubted(ARGV[2], ARGV[5])
bury(ARGV[2], ARGV[4])
return 1
