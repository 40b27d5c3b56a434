// Communicators over MPI: of the CMake target unitgain::mpi, which is there where MPI is.
#pragma once

#include <mpi.h>

#include <memory>

#include "unitgain/communicator.hpp"

namespace unitgain {

// Of the processes of an MPI communicator, of which this makes copies: all of them call it. MPI
// must be initialised, and must not be finalised before the last copy of the pointer has gone.
// What fails in MPI throws std::runtime_error with MPI's message.
std::shared_ptr<Communicator> mpi_communicator(MPI_Comm processes = MPI_COMM_WORLD);

}  // namespace unitgain
