-- number of arguments of `complete`, these, those of `claim` -> {0} if the lease is lost, else what both return
local count = tonumber(ARGV[2])
local first, second = {ARGV[1]}, {ARGV[1]}
for i = 3, #ARGV do
  local arguments = i < count + 3 and first or second
  arguments[#arguments + 1] = ARGV[i]
end
local completed = complete(first)
if completed == 0 then return {0} end
return {completed, claim(second)}
