package engines

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

const (
	clusterNodes = 3
	clusterSlots = 16384
	busOffset    = 10000 // where Redis puts the cluster bus, beside the port
)

// Cluster is a real Redis Cluster of three masters that belongs to one test.
type Cluster struct {
	nodes []*engine
	ports []int
}

// TestCluster starts three Redis nodes on free TCP ports of the loopback (a
// cluster cannot live on Unix sockets) and waits until each of them serves all
// slots. They are stopped and removed when the test ends.
func TestCluster(t testing.TB) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	home, options := testOnlyHome(t)
	cluster := &Cluster{}
	for i := range clusterNodes {
		node, port, err := startNode(ctx, t, home, fmt.Sprintf("node%d", i+1), options)
		if err != nil {
			t.Fatal(err)
		}
		cluster.nodes = append(cluster.nodes, node)
		cluster.ports = append(cluster.ports, port)
	}
	if err := cluster.form(ctx); err != nil {
		t.Fatalf("form a Redis Cluster: %v", err)
	}
	return cluster
}

// URL names all nodes: "redis+cluster://127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003".
func (c *Cluster) URL() string { return "redis+cluster://" + strings.Join(c.Addrs(), ",") }

// Addrs are the nodes' addresses, as redis.ClusterOptions wants them.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, port := range c.ports {
		addrs = append(addrs, nodeAddr(port))
	}
	return addrs
}

// startNode tries other ports when somebody was faster.
func startNode(ctx context.Context, t testing.TB, h home, name string, o Options) (*engine, int, error) {
	var err error
	for range 10 {
		port := freePort()
		conf := strings.Replace(redisConf, "port 0\n", fmt.Sprintf("port %d\nbind 127.0.0.1\n", port), 1)
		conf = strings.Replace(conf, "databases 4096\n", "", 1) + "cluster-enabled yes\ncluster-node-timeout 5000\n"
		var node *engine
		if node, err = redisIn(h, name, conf, o); err != nil {
			return nil, 0, err
		}
		node.stop = node.stop[1:] // a cluster of tests has nothing to save
		node.expectEnd()
		if err = node.start(ctx); err == nil {
			cleanup(t, "stop a node of the test's cluster", node.down)
			return node, port, nil
		}
		if err := node.down(ctx); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, err
}

// freePort finds a port that is free together with that of its cluster bus.
func freePort() int {
	const lowest, highest = 10000, 22000 // the bus stays below the ports that systems give to clients
	for {
		port := lowest + rand.IntN(highest-lowest)
		if free(port) && free(port+busOffset) {
			return port
		}
	}
}

func free(port int) bool {
	listener, err := net.Listen("tcp", nodeAddr(port))
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

func nodeAddr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// form shares the slots out, introduces the nodes to each other, and waits
// until all of them see the whole cluster.
func (c *Cluster) form(ctx context.Context) error {
	var clients []*redis.Client
	for _, port := range c.ports {
		client := redis.NewClient(&redis.Options{Addr: nodeAddr(port)})
		defer client.Close()
		clients = append(clients, client)
	}
	for i, client := range clients {
		first, last := i*clusterSlots/clusterNodes, (i+1)*clusterSlots/clusterNodes-1
		if err := client.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return err
		}
		if err := client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			return err
		}
		for _, port := range c.ports[:i] {
			if err := client.ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(port)).Err(); err != nil {
				return err
			}
		}
	}
	var all errgroup.Group
	for _, client := range clients {
		all.Go(func() error {
			return poll(ctx, func() (bool, error) {
				info, err := client.ClusterInfo(ctx).Result()
				complete := strings.Contains(info, "cluster_state:ok") &&
					strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", clusterNodes)) &&
					strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d\r", clusterSlots))
				return complete, err
			})
		})
	}
	return all.Wait()
}

// Kill ends node i (from 0) as kill -9 does.
func (c *Cluster) Kill(i int) error {
	if pid := c.nodes[i].pid(); pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return err
		}
		<-c.nodes[i].child.done
	}
	return nil
}
