-- Makes the caller the owner of a shard, if its epoch is above the one in force.
--
-- KEYS: shard, notices.
-- ARGV: epoch, owner; what the caller has seen: incarnation, counter; least incarnation; the server's run id, the
-- replication id that it had before it took over as master, whether it keeps everything over a restart ('1'); notices kept; its
-- replication id now.
-- Answers {'superseded', epoch} or {'begun', incarnation, counter}.
local shard = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'counter', 'run_id', 'replid', 'keeps')
local incarnation, epoch, counter = tonumber(shard[1] or 0), tonumber(shard[2] or 0), tonumber(shard[3] or 0)
if tonumber(ARGV[1]) <= epoch then return {'superseded', shard[2]} end
local seen_incarnation, seen_counter = tonumber(ARGV[3]), tonumber(ARGV[4])

-- Another log than the one that was: gone, rolled back, or perhaps without its last events.
local is_missing = not (shard[1] and shard[2] and shard[3])
local is_behind = seen_incarnation > incarnation or (seen_incarnation == incarnation and seen_counter > counter)
local is_another_run = shard[4] ~= ARGV[6] and (ARGV[8] ~= '1' or shard[6] ~= '1' or shard[5] == ARGV[7])
if is_missing or is_behind or is_another_run then
  incarnation = math.max(incarnation, seen_incarnation, tonumber(ARGV[5])) + 1
  incarnation = math.max(incarnation, tonumber(redis.call('TIME')[1]))
end
counter = math.max(counter, seen_counter) + 1

local function text(number) return string.format('%.0f', number) end
redis.call('HSET', KEYS[1], 'incarnation', text(incarnation), 'epoch', ARGV[1], 'owner', ARGV[2], 'counter', text(counter),
  'run_id', ARGV[6], 'replid', ARGV[10], 'keeps', ARGV[8])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[9], text(incarnation) .. '-' .. text(counter),
  ':from', text(counter), ':epoch', ARGV[1], ':owner', ARGV[2])
return {'begun', text(incarnation), text(counter)}
