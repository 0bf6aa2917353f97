-- Purpose: removes the letters of a committed batch from the mailbox, renews the
--   lease and returns the next letters: one round trip between two batches.
-- KEYS: 1 letters (list), 2 bodies (hash), 3 lease
-- ARGV: 1 token of the clerk, 2 milliseconds the lease lasts, 3 most letters to
--   return, then the ids of the decided letters, in the mailbox's order
-- Returns: {1, id, body, id, body…}, or {0} when the token does not hold the
--   lease: then nothing is trimmed. A letter that lost its body has ''. The
--   letter "due" loses it by being read, so that one that comes while its batch
--   is decided is put in anew and not taken for this one.
-- Cost: O(letters trimmed + letters returned), both ≤ 256
-- Operation id: the decided letters' ids. Only those that stand at the head are
--   removed, so a second call removes nothing more.
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return {0}
end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
if #ARGV > 3 then
  local head = redis.call('LRANGE', KEYS[1], 0, #ARGV - 4)
  local done, bodies = 0, {}
  for i, id in ipairs(head) do
    if id ~= ARGV[3 + i] then break end
    done = i
    if id ~= 'due' then bodies[#bodies + 1] = id end
  end
  if #bodies > 0 then redis.call('HDEL', KEYS[2], unpack(bodies)) end
  if done > 0 then redis.call('LTRIM', KEYS[1], done, -1) end
end
local answer = {1}
local limit = tonumber(ARGV[3])
if limit > 0 then
  local ids = redis.call('LRANGE', KEYS[1], 0, limit - 1)
  if #ids > 0 then
    local bodies = redis.call('HMGET', KEYS[2], unpack(ids))
    for i, id in ipairs(ids) do
      answer[#answer + 1] = id
      answer[#answer + 1] = bodies[i] or ''
      if id == 'due' then redis.call('HDEL', KEYS[2], id) end
    end
  end
end
return answer
