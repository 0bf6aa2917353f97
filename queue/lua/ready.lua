-- Purpose: set the numbers of the entrants aside, so that whoever comes late gets the next ones.
-- KEYS: 1 meta, 2 lobby, 3 feed
-- ARGV: 1 entrants, as Postgres has them, 2 covered: numbers below it are reserved in Postgres
-- Returns: {epoch, numbered}: numbered is how many entrants have their number; {epoch, -1} when the
--       lobby did not hold the entrants: it is closed and empty now, and must be filled with them; {epoch, -2} when the line has no lobby (any more);
--       {0, 0} when the line must be restored
-- Cost: O(1)
-- Operation: idempotent: the numbers are set aside once
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'life', 'epoch', 'lobby', 'ready', 'numbered', 'next', 'reserved')
if meta[1] ~= life then
  return {0, 0}
end
local epoch, entrants, covered = tonumber(meta[2]), tonumber(ARGV[1]), tonumber(ARGV[2])
if not meta[3] then
  return {epoch, -2}
end
if meta[4] then
  return {epoch, tonumber(meta[5])}
end
if redis.call('SCARD', KEYS[2]) ~= entrants then
  redis.call('UNLINK', KEYS[2])
  redis.call('HSET', KEYS[1], 'lobby', 'closed')
  return {epoch, -1}
end
local next = math.max(tonumber(meta[6]), entrants)
redis.call('HSET', KEYS[1], 'lobby', 'closed', 'ready', 1, 'entrants', entrants, 'numbered', 0, 'next', next,
  'reserved', math.max(tonumber(meta[7]), next, covered))
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local time = redis.call('TIME')
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 100000, meta[2] .. '-' .. seq,
  'kind', 'closed', 'at', string.format('%.0f', time[1] * 1000000 + time[2]), 'fans', '')
return {epoch, 0}
