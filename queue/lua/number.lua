-- Purpose: give the next entrants of a draw their numbers.
-- KEYS: 1 meta, 2 waiting, 3 gone, 4 leavers
-- ARGV: 1 from: the number of the first, 2 the fans' ids in the order of their numbers, 26 bytes each
-- Returns: {epoch, numbered}: how many entrants have their number now; when that is not from plus the
--       fans given, somebody else works too; {epoch, -2} when the line has no closed lobby (any more);
--       {0, 0} when the line must be restored
-- Cost: O(n log N) for n fans, at most 1000: about 1 ms for 500
-- Operation: idempotent by the number: those below numbered are not given again
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'life', 'epoch', 'ready', 'numbered', 'entrants')
if meta[1] ~= life then
  return {0, 0}
end
local epoch, from, count = tonumber(meta[2]), tonumber(ARGV[1]), #ARGV[2] / 26
if count < 1 or count > 1000 or count ~= math.floor(count) then
  return redis.error_reply('ERR a draw gives 1 to 1000 numbers at a time')
end
if not meta[3] then
  return {epoch, -2}
end
if tonumber(meta[4]) ~= from or from + count > tonumber(meta[5]) then
  return {epoch, tonumber(meta[4])}
end
local fans, pairs = {}, {}
for i = 1, count do
  fans[i] = string.sub(ARGV[2], i * 26 - 25, i * 26)
end
local left = redis.call('EXISTS', KEYS[4]) == 1 and redis.call('SMISMEMBER', KEYS[4], unpack(fans)) or {}
for i = 1, count do
  if left[i] == 1 then
    redis.call('SETBIT', KEYS[3], from + i - 1, 1)
    redis.call('HINCRBY', KEYS[1], 'left', 1)
  else
    pairs[#pairs + 1] = string.format('%d', from + i - 1)
    pairs[#pairs + 1] = fans[i]
  end
end
if #pairs > 0 then
  redis.call('ZADD', KEYS[2], unpack(pairs))
end
redis.call('HSET', KEYS[1], 'numbered', from + count)
return {epoch, from + count}
